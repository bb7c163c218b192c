package lora

// Published are the numbers that a method's authors train it with, in one of
// their experiments; 0 stands for one that they leave open. They are there to be
// compared with: nothing takes them as defaults, since a learning rate that is
// good for one model and one scaling is not for another.
type Published struct {
	Rank  int     `json:"rank,omitempty"`  // of each expert in a mixture, of the target in a schedule; 0 too for a full weight
	Alpha float64 `json:"alpha,omitempty"` // s = α/r, or α/√r where Root; r where they scale by 1 and name no α
	Root  bool    `json:"rslora,omitempty"`
	LR    float64 `json:"lr,omitempty"` // the largest of the schedule; of A, where B has its own
	In    string  `json:"in"`           // the experiment: model and data
}
