package task

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorsAreFoundByCode(t *testing.T) {
	refusal := Refuse(CodeTaskNotFound, "there is no task 7")
	wrapped := fmt.Errorf("look it up: %w", refusal)
	if !errors.Is(wrapped, &Error{Code: CodeTaskNotFound}) {
		t.Error("not found by its code")
	}
	if errors.Is(wrapped, &Error{Code: CodeSlaveNotFound}) {
		t.Error("found by another code")
	}
	if errors.Is(wrapped, Refuse(CodeTaskNotFound, "there is no task 8")) {
		t.Error("found by another sentence")
	}
	if got := refusal.Error(); got != "task_not_found: there is no task 7" {
		t.Errorf("it reads %q", got)
	}
}
