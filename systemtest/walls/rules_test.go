package walls

// ours is the module's path, and the prefix of all its packages.
const ours = "muster"

// A pattern is an import path, or a path with "/..." for it and all below it.

// ban says what some packages may never import.
type ban struct {
	name   string
	of     []string // patterns of our packages
	never  []string // patterns of import paths
	reach  reach
	reason string
}

// reach tells how far a ban looks.
type reach int

const (
	// anyhow: not directly, and not through any package, ours or another's.
	anyhow reach = iota
	// throughOurs: not directly, and not by a package of ours that it imports,
	// directly or not. What others' packages do inside is theirs.
	throughOurs
	// directly: the package's own imports.
	directly
)

var bans = []ban{
	{
		name: "pure",
		of:   []string{"muster/task", "muster/fsm"},
		never: []string{
			"time", "os/...", "net/...", "log/...", "math/rand/...", "crypto/rand", "context",
			"github.com/hashicorp/raft/...",
		},
		reach: throughOurs,
		reason: "every replica must compute the same state from the same log: no clock, no chance, no I/O; " +
			"what is not in the log entry does not exist",
	},
	{
		name: "the scheduler is pure",
		of:   []string{"muster/cluster/dispatch/scheduler"},
		never: []string{
			"sync", "context", "os/...", "net/...", "log/...", "math/rand/...", "crypto/rand", "github.com/hashicorp/raft/...",
		},
		reach: directly,
		reason: "it is a value and what changes it: a run of it can be repeated from a seed, and millions of steps of it take no waiting; " +
			"the loop around it has the clock, the goroutines and the logger",
	},
	{
		name:   "dispatch does not know the node",
		of:     []string{"muster/cluster/dispatch/..."},
		never:  []string{"muster/cluster", "muster/cluster/commit", "muster/cluster/store", "muster/cluster/watch"},
		reason: "the dispatcher knows a Log and a Sender; cmd/app joins it to a node, tests join it to a fake",
	},
	{
		name:   "the node's parts do not know the node",
		of:     []string{"muster/cluster/commit", "muster/cluster/raftlog", "muster/cluster/store", "muster/cluster/watch"},
		never:  []string{"muster/cluster"},
		reason: "each is one subject that can be read and tested without the others; the node joins them, and they know it by what it hands to them",
	},
	{
		name:   "the node does not know dispatch",
		of:     []string{"muster/cluster"},
		never:  []string{"muster/cluster/dispatch/..."},
		reason: "the node replicates whatever it is given; it must run, and be tested, without anybody deciding anything",
	},
	{
		name: "dispatch speaks through ports",
		of:   []string{"muster/cluster/dispatch/..."},
		never: []string{
			"github.com/hashicorp/raft/...", "github.com/hashicorp/raft-boltdb/...", "go.etcd.io/bbolt/...", "net/http/...",
		},
		reason: "its tests run in fake time with neither Raft nor sockets",
	},
	{
		name:   "the node serves nobody",
		of:     []string{"muster/cluster/..."},
		never:  []string{"muster/api/...", "github.com/gin-gonic/gin/...", "muster/slave/..."},
		reason: "consensus must not depend on how clients or slaves are spoken to",
	},
	{
		name:   "the API sees a Backend",
		of:     []string{"muster/api/..."},
		never:  []string{"muster/cluster/...", "muster/fsm/...", "github.com/hashicorp/raft/..."},
		reason: "handlers speak task and wire; otherwise the log's shape leaks into the wire and can't change",
	},
	{
		name:   "a worker reports through a port",
		of:     []string{"muster/slave/worker/..."},
		never:  []string{"net/http/..."},
		reason: "accepting, deduplicating and keeping results is tested in fake time, without sockets",
	},
	{
		name:   "a slave is not a master",
		of:     []string{"muster/slave/..."},
		never:  []string{"muster/cluster/...", "muster/fsm/...", "github.com/hashicorp/raft/...", "github.com/gin-gonic/gin/..."},
		reason: "people embed the slave library: it must not pull a database and a web framework into their programs",
	},
	{
		name:   "the wire is free of the server",
		of:     []string{"muster/api/wire/...", "muster/api/client/..."},
		never:  []string{"github.com/gin-gonic/gin/..."},
		reason: "clients and slaves import them; a web framework is no business of theirs",
	},
	{
		name: "one importer of govaluate",
		of: []string{
			"muster/task/...", "muster/fsm/...", "muster/cluster/...", "muster/api/...", "muster/cmd/...",
			"muster/slave", "muster/slave/worker/...", "muster/slave/link/...", "muster/systemtest/...",
		},
		never:  []string{"github.com/Knetic/govaluate/..."},
		reach:  directly,
		reason: "it is archived and dies of hostile input: slave/evaluate stands between it and everybody",
	},
	{
		name:   "a master does not evaluate",
		of:     []string{"muster/task/...", "muster/fsm/...", "muster/cluster/...", "muster/api/..."},
		never:  []string{"github.com/Knetic/govaluate/..."},
		reason: "an expression that kills its evaluator may cost a child process of a slave, never a master",
	},
}

// anything, as an allowance, is any package.
const anything = "..."

// allowance says what a package may import: the table of the design. A package
// falls under the allowance that names it most closely; one that falls under
// none is an offender, so that each new package gets a line here.
type allowance struct {
	of      []string // patterns of our packages
	ours    []string // patterns of ours; anything else of ours is forbidden
	spare   bool     // of others it imports, outside the standard library, only theirs
	theirs  []string // patterns of others' packages
	because string
}

var allowances = []allowance{
	{
		of: []string{"muster/task"}, spare: true,
		because: "everybody imports the vocabulary, so what it imports everybody has",
	},
	{
		of: []string{"muster/task/baseurl", "muster/task/browser"}, spare: true,
		because: "what masters and slaves share of HTTP: the grammar of URLs, and what pages in a browser may not do; beside task, which is pure and knows no network",
	},
	{
		of: []string{"muster/task/wait"}, spare: true,
		because: "masters, slaves and clients wait alike; beside task, which is pure and knows no clock",
	},
	{
		of: []string{"muster/fsm"}, ours: []string{"muster/task", "muster/fsm/logpb"},
		spare: true, theirs: []string{"github.com/tidwall/btree", "google.golang.org/protobuf/..."},
		because: "the replicated state is a pure value; each library in it can make replicas differ",
	},
	{
		of:    []string{"muster/fsm/logpb"},
		spare: true, theirs: []string{"google.golang.org/protobuf/..."},
		because: "it is generated: the shapes of the log and nothing else",
	},
	{
		of: []string{"muster/cluster"}, ours: []string{
			"muster/task", "muster/task/baseurl", "muster/task/wait", "muster/fsm",
			"muster/cluster/commit", "muster/cluster/raftlog", "muster/cluster/store", "muster/cluster/watch",
		},
		because: "one Raft node and the state that it replicates",
	},
	{
		of: []string{"muster/cluster/commit"}, ours: []string{"muster/task", "muster/task/wait", "muster/fsm", "muster/cluster/watch"},
		because: "it puts commands into a log and follows what comes out; whose log it is, is told to it",
	},
	{
		of:      []string{"muster/cluster/raftlog"},
		because: "what hashicorp/raft says, in slog's form: the store, the transport and the node have it in common",
	},
	{
		of: []string{"muster/cluster/store"}, ours: []string{"muster/task/wait", "muster/fsm", "muster/cluster/raftlog"},
		because: "bytes on a disk: of an entry it knows how many commands there are, and not what they do",
	},
	{
		of: []string{"muster/cluster/watch"}, ours: []string{"muster/task", "muster/fsm"}, spare: true,
		because: "it shows the state to readers; how the state came about, by Raft or not, is nothing to them",
	},
	{
		of: []string{"muster/cluster/dispatch"}, ours: []string{"muster/task", "muster/fsm", "muster/cluster/dispatch/scheduler"},
		because: "a Log and a Sender, nothing else",
	},
	{
		of: []string{"muster/cluster/dispatch/scheduler"}, ours: []string{"muster/task", "muster/fsm"},
		because: "it decides from the state, and needs nobody else for that",
	},
	{
		of: []string{"muster/api"}, ours: []string{"muster/task", "muster/task/baseurl", "muster/task/browser", "muster/api/wire"},
		because: "handlers over a Backend",
	},
	{
		of: []string{"muster/api/wire"}, ours: []string{"muster/task"},
		because: "JSON models and their conversion to the vocabulary",
	},
	{
		of: []string{"muster/api/client"}, ours: []string{"muster/task", "muster/task/baseurl", "muster/task/wait", "muster/api/wire", "muster/api/client/internal/raw"},
		because: "a client knows the wire and the words, nothing of a master's inside",
	},
	{
		of: []string{"muster/api/client/internal/raw"}, ours: []string{"muster/api/wire"},
		because: "generated from the specification, over the wire's models",
	},
	{
		of: []string{"muster/slave"}, ours: []string{"muster/slave/...", "muster/task", "muster/task/baseurl", "muster/task/browser", "muster/task/wait"},
		because: "the library that people embed is made of the slave's own parts",
	},
	{
		of: []string{"muster/slave/worker"}, ours: []string{"muster/task", "muster/task/wait"},
		because: "the core knows a Reporter, not who reports how",
	},
	{
		of:      []string{"muster/slave/link"},
		ours:    []string{"muster/task", "muster/task/baseurl", "muster/task/browser", "muster/slave/worker", "muster/api/wire", "muster/api/client"},
		because: "HTTP both ways between a slave's core and the masters",
	},
	{
		of: []string{"muster/slave/evaluate"}, ours: []string{"muster/task"},
		because: "an executor behind its limits; it runs in a child process and needs nobody",
	},
	{
		of: []string{"muster/cmd/app"}, ours: []string{anything},
		because: "the composition root joins what must not know each other",
	},
	{
		of: []string{"muster/cmd/..."}, ours: []string{"muster/cmd/...", "muster/api/client", "muster/task/baseurl"},
		because: "commands parse, call the composition root or the client, and print",
	},
	{
		of: []string{"muster/examples/..."}, ours: []string{"muster/slave", "muster/api/client", "muster/task"},
		because: "examples use what users may use: the slave library, the client and the words",
	},
	{
		of: []string{"muster/systemtest/..."}, ours: []string{"muster/systemtest/...", "muster/cmd/app", "muster/api/client"},
		because: "the system is tested from outside: started as users start it, asked as users ask it",
	},
	{
		of:      []string{"muster/systemtest/simulation"},
		ours:    []string{"muster/cluster/dispatch/scheduler", "muster/fsm", "muster/task"},
		because: "from inside: it is the scheduler and the state, and all around them is made up, so that a run can be repeated",
	},
	{
		of:      []string{"muster/systemtest/scale"},
		ours:    []string{"muster/systemtest/...", "muster/api/client", "muster/slave", "muster/task"},
		because: "from outside as well; but ten thousand slaves have to share one process",
	},
	{
		of: []string{"muster/systemtest/promises/..."},
		ours: []string{
			"muster/systemtest/...", "muster/cmd/app", "muster/api/client",
			"muster/slave", "muster/slave/evaluate", "muster/slave/link", "muster/slave/worker", "muster/task",
		},
		because: "from outside as well; but its slaves compute in fake time, some answer what a story says, and some are of people who embed the library",
	},
}

// noGoroutines names the packages without a go statement: they, and every
// package of ours that they import.
var noGoroutines = ban{
	name:   "no goroutines",
	of:     []string{"muster/task", "muster/fsm", "muster/cluster/dispatch/scheduler", "muster/systemtest/simulation"},
	reason: "the order in which goroutines run is chance, and differs between replicas",
}
