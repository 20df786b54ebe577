// Package deploy is the rules of deployments: what an act of people, or figures of
// a version, make of one, and which version has what. State and time go in, state
// comes out; objects of the platform keep it and fleet acts on it. It does no I/O
// and knows no clock.
package deploy
