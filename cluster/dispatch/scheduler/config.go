package scheduler

import "time"

// Config are a core's settings. Defaulted fills in zero fields, except QuestionTTL,
// where 0 means: ask every slave in turn, for every task.
type Config struct {
	Term            uint64        // the term in which this master leads
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
	SlaveRetention  time.Duration // how long lost and left slaves are kept; 7 days
}

// Defaulted returns the settings with the defaults of those that are zero.
func (c Config) Defaulted() Config {
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
	if c.MaxClasses <= 0 {
		c.MaxClasses = 1000
	}
	return c
}

// literal tells that every slave is asked in turn, for every task.
func (c *Config) literal() bool { return c.QuestionTTL <= 0 }

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
