// Planted shows that the tests can fail. Each file in mistakes lists mistakes
// that somebody could make in the product, and the test that must catch each.
// A mistake is planted with go's -overlay, so that the source is never touched.
//
//	go run ./systemtest/planted                 all of them; takes an hour
//	go run ./systemtest/planted -run barrier    those whose text matches
//	go run ./systemtest/planted -list           what there is
//
// A mistake that its test does not catch, or that does not compile, is an error.
// That each still fits its source is a test of its own, and cheap.
package main
