// Planted shows that the tests can fail. Each file in mistakes lists mistakes
// that somebody could make in the product, and the test that must catch each.
// A mistake is planted with go's -overlay, so that the source is never touched.
//
//	go run ./systemtest/planted                 all of them; takes an hour
//	go run ./systemtest/planted -run barrier    those whose text matches
//	go run ./systemtest/planted -list           what there is
//
// A mistake that its test does not catch, or that does not compile, is an error.
// That each still fits its source, and compiles, are tests of their own, and cheap.
//
// A mistake is anchored by the declaration that it changes, wherever in its package
// that is, and by the text that it replaces there:
//
//	# silence counts as a refusal
//	in: muster/cluster/dispatch/scheduler.(*Core).noteRefusal
//	old: <<<
//		if !errors.Is(err, task.ErrRefused) {
//	>>>
//	new: <<<
//		if errors.Is(err, task.ErrWrongIncarnation) {
//	>>>
//	test: ./cluster/dispatch TestWhatIsNotARefusalKeepsASlave
//
// The declaration is written as in a stack trace. It may be a function, a method
// (muster/fsm.(*State).Apply), a type, a constant or a variable: when it moves to
// another file, nothing has to be done. The old text must be there once. What is in no
// declaration has the file in its place (file: go.mod).
package main
