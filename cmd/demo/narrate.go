package demo

import (
	"fmt"

	"muster/api/client"
)

// dialogue tells who was asked and what it answered, a line each.
func (v *voice) dialogue(leader string, asked []client.Asked) {
	for _, a := range asked {
		v.sayf("   %s asks %s: are you available?  %s", leader, a.Slave, v.answer(a))
	}
}

func (v *voice) answer(a client.Asked) string {
	said := "(silence)"
	switch a.Answer {
	case "":
		said = v.yellow(said)
	case answerAvailable:
		said = v.green(`"` + a.Answer + `"`)
	default:
		said = v.yellow(`"` + a.Answer + `"`)
	}
	switch {
	case a.From == askedOverTheWire:
	case a.Why != "":
		said = v.dim("(not asked: it " + a.Why + ")")
	case a.Answer == "":
		said = v.dim("(not asked)")
	default:
		said += v.dim(" (known, not asked)")
	}
	return said
}

// The words of a slave, and where an answer came from.
const (
	answerAvailable    = "I am available."
	answerNotAvailable = "I am not available."
	askedOverTheWire   = "slave"
)

// submitted tells of a submit that was taken.
func (v *voice) submitted(leader string, answer client.Submitted) {
	v.dialogue(leader, answer.Asked)
	v.sayf("   %s: %s", leader, v.bold(answer.Message))
}

// refused tells of a submit that was not taken.
func (v *voice) refused(leader string, err *client.Error) {
	v.dialogue(leader, err.Asked)
	v.sayf("   %s: %s", leader, v.yellow(fmt.Sprintf("%d %s: %s", err.Status, err.Code, sentenceOf(err))))
}

func sentenceOf(err *client.Error) string {
	if err.Code == client.CodeFullCapacity {
		return fmt.Sprintf("%d of %d slots are busy.", err.Busy, err.Slots)
	}
	return err.Message
}

// done tells what a task came to.
func (v *voice) done(t *client.Task) {
	how := fmt.Sprintf("%s, %s", t.Slave, seconds(t.FinishedAt.Sub(t.StartedAt)))
	if t.Attempt > 1 {
		how += fmt.Sprintf(", attempt %d", t.Attempt)
	}
	if t.Result != nil {
		v.sayf("task %d is done: %s  (%s)", t.ID, v.bold(*t.Result), how)
		return
	}
	v.sayf("task %d is done, but %s: %s", t.ID, t.Outcome, t.Error)
}
