// Package walls holds the walls between muster's packages: who may import whom,
// and what the pure packages may not do. It has tests only.
//
// rules_test.go is the list, each rule with its reason: start there. A new
// package needs a line in it. module_test.go reads the module (go list, and the
// source of every package), check_test.go finds what breaks a rule, and
// planted_test.go shows that it does: it breaks every rule once in a made-up
// module and expects to be told.
//
// The rules are asked of production code. Test files may import what they like:
// nothing that ships depends on them.
package walls
