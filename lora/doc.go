// Package lora adapts models: the table of methods, their composition from
// parts, injection into a model, merging, calibration, and files in PEFT's
// form.
//
// A method is five parts, delta × initializer × update rule × rank schedule ×
// router, each a small value of one of the packages below. A paper is a row of
// the table; any other composition takes its parts from rows ([Compose]) and
// is refused, with the reason, when a part needs what no other provides.
//
//	method, err := lora.Compose(lora.Recipe{Delta: "dora", Init: "pissa"})
//	set, err := lora.Inject(model, method, lora.Options{Rank: 8, Alpha: 16})
//	optimizer := optim.New(method.Update.Transform(0), set.Groups())
package lora
