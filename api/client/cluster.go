package client

import "net/http"

// headerCluster names a cluster: in an answer the master's, in a request the one that
// is meant.
const headerCluster = "Muster-Cluster"

// Cluster names the cluster that this client asks: that of the first master that
// did what it was asked or named the leader. It is empty before, and while all
// masters are of a version that does not say.
func (c *Client) Cluster() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cluster
}

// ownCluster is the cluster that a call is for if it does not say so itself.
func (c *Client) ownCluster(k call) string {
	if k.anyCluster {
		return ""
	}
	return c.Cluster()
}

// ours tells whether an answer is of the client's cluster, which the first good one
// decides. Of another one the leader and the index mean nothing here.
func (c *Client) ours(resp *http.Response, k call) bool {
	theirs := resp.Header.Get(headerCluster)
	if theirs == "" {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	good := resp.StatusCode < 300 || resp.StatusCode == http.StatusTemporaryRedirect
	if c.cluster == "" && good && !k.anyCluster {
		c.cluster = theirs
	}
	return c.cluster == "" || c.cluster == theirs
}
