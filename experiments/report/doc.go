// Package report turns the runs of a study into things to read: one HTML page
// that needs no network ([WritePage]), its charts as files ([Figures]) and
// notebooks ([Notebook]).
//
// The page is computed from the runs alone. A run that diverged counts as
// infinitely bad at its learning rate; one that failed, was cancelled or is
// still running is listed and counts nowhere else. Of every method the page
// compares its best learning rate: the one whose median held-out loss over the
// seeds is lowest.
package report
