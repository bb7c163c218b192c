package experiments

import (
	"context"
	"strings"
	"testing"
)

// What the model has not got is told before its pretraining, which takes a
// minute.
func TestTargetIsCheckedBeforePretraining(t *testing.T) {
	c := DefaultConfig()
	c.Targets = Targets{Names: []string{"q_porj"}}
	watch := func(int, float64) { t.Error("the base is pretrained") }
	_, err := OpenSetting(context.Background(), t.TempDir(), c, tinyPretraining, watch)
	if err == nil || !strings.Contains(err.Error(), `target "q_porj" selects no linear map; there are, nearest first: q_proj,`) {
		t.Errorf("the error is %v", err)
	}
}
