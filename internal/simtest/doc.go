// Package simtest runs the state machines of several shards in a simulation:
// the real internal/shard/core on real rows, and around it a network, a host of
// user code, clients and a clock that are made of one seeded random source. It
// has no code but its tests.
//
// One thread does everything. At each step the seed decides what happens next:
// a shard takes a request, makes a frame, seals a batch; a commit ends; a
// message arrives, arrives twice or is held back; a worker dies; the clock
// jumps; the node stops between any two calls into the core. Then the faults
// end, everything must come to rest, and the rows that are left are compared
// with what the clients were told. A seed is a failure that can be run again:
//
//	SITU_SEED=123 go test -run TestSim ./internal/simtest
//	SIM_SEEDS=20000 go test -timeout 2h -run TestSim ./internal/simtest
//
// DESIGN.md says what is simulated, what is not, and which planted bugs it
// finds.
package simtest
