package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/api/client"
)

// beat is the pause between two submits, for who wants to read along.
const beat = 800 * time.Millisecond

// timeLine is the second act: what the original system did.
func (s *story) timeLine(ctx context.Context) error {
	s.act(2, "One task per slave, then full capacity")
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()

	first, err := s.taken(ctx, 1, longWork(6))
	if err != nil {
		return err
	}
	s.check(dialogueIs(first, said("slave-1", answerAvailable)),
		"slave-1 was asked first, and has task 1", "the dialogue was %v", first.Asked)
	second, err := s.taken(ctx, 2, longWork(9))
	if err != nil {
		return err
	}
	s.check(dialogueIs(second, said("slave-1", answerNotAvailable), said("slave-2", answerAvailable)),
		"slave-1 is busy, so slave-2 has task 2", "the dialogue was %v", second.Asked)

	third, err := s.submit(ctx, 3, shortWork(4))
	if err != nil {
		return err
	}
	status, err := s.leaderStatus(ctx)
	if err != nil {
		return err
	}
	full := third.refusal != nil && third.refusal.Code == client.CodeFullCapacity && third.refusal.Slots == 2 && third.refusal.Busy == 2
	s.check(full && status.Counts.Submitted == 2, "both are busy: full capacity is said, and nothing is recorded",
		"the answer was %v, and %d tasks are recorded", third.refusal, status.Counts.Submitted)

	s.sayf("... until slave-1 is done")
	done, err := s.cluster.client.Wait(ctx, first.Task.ID)
	if err != nil {
		return fmt.Errorf("wait for task %d: %w", first.Task.ID, err)
	}
	s.done(&done)
	fourth, err := s.taken(ctx, 4, shortWork(4))
	if err != nil {
		return err
	}
	s.check(dialogueIs(fourth, said("slave-1", answerAvailable)),
		"slave-1 is free again, and has the next task", "the dialogue was %v", fourth.Asked)
	return s.awaitAll(ctx)
}

// taken is submit for a task that some slave must be free for.
func (s *story) taken(ctx context.Context, n int, w work) (client.Submitted, error) {
	out, err := s.submit(ctx, n, w)
	if err == nil && out.refusal != nil {
		err = fmt.Errorf("a slave is free, but the task was refused: %w", out.refusal)
	}
	return out.answer, err
}

// submission is what came of a submit: an answer or a refusal.
type submission struct {
	answer  client.Submitted
	refusal *client.Error
}

// submit submits the nth task of the time line and tells what happens. A refusal
// is no error.
func (s *story) submit(ctx context.Context, n int, w work) (submission, error) {
	if err := pause(ctx, beat); err != nil {
		return submission{}, err
	}
	leader, err := s.cluster.awaitLeader(ctx)
	if err != nil {
		return submission{}, err
	}
	s.sayf("client submits %s", s.bold(w.String()))
	key := fmt.Sprintf("story-%d", n)
	answer, err := s.cluster.client.Submit(ctx, w.submission(), client.SubmitOptions{Key: key, Explain: true})
	var refusal *client.Error
	switch {
	case errors.As(err, &refusal):
		s.refused(leader.name, refusal)
		return submission{refusal: refusal}, nil
	case err != nil:
		return submission{}, fmt.Errorf("submit: %w", err)
	}
	s.submitted(leader.name, answer)
	s.ledger.acknowledged(entry{id: answer.Task.ID, key: key, want: w.want, at: time.Now()})
	return submission{answer: answer}, nil
}

// awaitAll waits for the acknowledged tasks that are not done, and tells their
// results.
func (s *story) awaitAll(ctx context.Context) error {
	for _, e := range s.ledger.all()[1:] {
		t, err := s.cluster.client.Wait(ctx, e.id)
		if err != nil {
			return fmt.Errorf("wait for task %d: %w", e.id, err)
		}
		s.done(&t)
	}
	return nil
}

// leaderStatus is what the leader says of itself.
func (s *story) leaderStatus(ctx context.Context) (client.Status, error) {
	leader, err := s.cluster.awaitLeader(ctx)
	if err != nil {
		return client.Status{}, err
	}
	return *leader.status, nil
}

func said(slave, answer string) client.Asked {
	return client.Asked{Slave: slave, Answer: answer, From: askedOverTheWire}
}

// dialogueIs tells whether a submit asked exactly so and gave the task to the
// last one asked.
func dialogueIs(answer client.Submitted, want ...client.Asked) bool {
	if len(answer.Asked) != len(want) || answer.Task.Slave != want[len(want)-1].Slave {
		return false
	}
	for i := range want {
		if answer.Asked[i] != want[i] {
			return false
		}
	}
	return true
}
