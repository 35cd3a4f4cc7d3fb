package dispatch

import (
	"log/slog"
	"sync/atomic"
	"time"

	"muster/task"
)

// Config are a dispatcher's settings. Defaulted fills in zero fields, except
// QuestionTTL, where 0 means: ask every slave in turn, for every task.
type Config struct {
	Term            uint64        // the term in which this master leads
	Cluster         string        // which cluster, said to slaves
	QuestionTTL     time.Duration // how long a slave's answer serves
	QuestionTimeout time.Duration // silence after which the next slave is asked; 250 ms
	SendTimeout     time.Duration // for any other request to a slave; 1 s
	SlaveTimeout    time.Duration // silence after which a slave is lost; 5 s
	ProbeBusy       time.Duration // between words of a slave that has attempts; 1 s
	ProbeIdle       time.Duration // between words of one that has none; 30 s
	MaxWaiting      int           // submits in line; 10,000
	QueueLimit      int           // pending tasks; 100,000
	MaxClasses      int           // different requirements of tasks that wait; 1,000
	Retention       Retention
	SlaveRetention  time.Duration      // how long lost and left slaves are kept; 7 days
	Clock           func() task.Millis // the cluster's; by default this machine's
	// Sequence numbers the requests to slaves, who take none that is lower than one
	// before in the same term. A master that may lead twice in a term gives all its
	// dispatchers the same.
	Sequence *atomic.Uint64
	Breaker  *Breaker     // what this master's dispatchers panicked over
	Logger   *slog.Logger // discards by default
}

func (c Config) defaulted() Config {
	def := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	def(&c.QuestionTimeout, 250*time.Millisecond)
	def(&c.SendTimeout, time.Second)
	def(&c.SlaveTimeout, 5*time.Second)
	def(&c.ProbeBusy, time.Second)
	def(&c.ProbeIdle, 30*time.Second)
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = 10_000
	}
	def(&c.SlaveRetention, 7*24*time.Hour)
	def(&c.Retention.Age, 7*24*time.Hour)
	def(&c.Retention.Min, 10*time.Minute)
	if c.Retention.Tasks <= 0 {
		c.Retention.Tasks = 1_000_000
	}
	if c.Retention.Bytes <= 0 {
		c.Retention.Bytes = 1 << 30
	}
	if c.QueueLimit <= 0 {
		c.QueueLimit = 100_000
	}
	if c.Clock == nil {
		c.Clock = func() task.Millis { return task.Millis(time.Now().UnixMilli()) }
	}
	if c.Sequence == nil {
		c.Sequence = new(atomic.Uint64)
	}
	if c.Breaker == nil {
		c.Breaker = NewBreaker(func() {})
	}
	if c.MaxClasses <= 0 {
		c.MaxClasses = 1000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	// refusalPause keeps a slave that refused what it had offered from being
	// chosen again at once; it doubles each time in a row.
	refusalPause = 250 * time.Millisecond
	// maxForgotten bounds how often an attempt is sent again to a slave that
	// accepts it and then does not have it.
	maxForgotten = 3
	// parkPause is how often parked pending tasks look again without a cause.
	parkPause = 250 * time.Millisecond
	// resendFirst and resendMost bound the backoff of a repeated send.
	resendFirst = 50 * time.Millisecond
	resendMost  = time.Second
	// maxReplans bounds how often a submit is planned anew after the state
	// machine refused its slot.
	maxReplans = 16
	// minClasses is how many classes are kept, used or not.
	minClasses = 128
	// A send carries at most this much; the rest follows in the next one.
	maxSendOrders = 512
	maxSendBytes  = 4 << 20
)
