package task

// Master is one replica as the replicated state knows it. Role and Voter are
// Raft's knowledge and are filled in by the node that answers.
type Master struct {
	ID          string
	RaftAddress string
	APIURL      string
	// Commands is the highest log command number that the master understands;
	// a leader writes a command only when all masters know it.
	Commands uint32
	Role     Role
	Voter    bool
	Index    uint64 // log index of the last change
}

// Role is what a master does at the moment.
type Role uint8

// The roles. Joining is a master that does not vote yet.
const (
	Follower Role = iota + 1
	Leader
	Joining
)

var roleNames = [...]string{"", "follower", "leader", "joining"}

// String returns the wire name: leader, follower or joining.
func (r Role) String() string { return name(roleNames[:], int(r)) }

// ParseRole is the inverse of Role.String.
func ParseRole(s string) (Role, bool) {
	i, ok := parse(roleNames[:], s)
	return Role(i), ok
}

// JoinRequest asks a cluster to take a master in.
type JoinRequest struct {
	ID          string
	RaftAddress string
	APIURL      string
	Commands    uint32
	Replace     bool // drop a member that has the same id or address first
}
