package app

import "context"

// RunMaster runs a master until ctx ends or it fails. On ctx's end a leader
// hands leadership away first. ready, if not nil, is called once the API
// listens, with its base URL.
func RunMaster(ctx context.Context, cfg MasterConfig, ready func(apiURL string)) error {
	panic("not written yet")
}

// RunSlave runs a slave until it fails, or until ctx ends: then it drains, at
// most cfg.DrainTimeout, reports, and says goodbye. ready, if not nil, is called
// once the slave listens, with its base URL.
func RunSlave(ctx context.Context, cfg SlaveConfig, ready func(url string)) error {
	panic("not written yet")
}
