module github.com/lowrank/lowrank/bench

go 1.26.0

require github.com/lowrank/lowrank v0.0.0

replace github.com/lowrank/lowrank => ../
