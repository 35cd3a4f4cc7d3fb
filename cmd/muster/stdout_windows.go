package main

// closed can't be told here: a write says so.
func closed(any) bool { return false }
