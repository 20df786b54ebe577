// Package fleet runs what is deployed: for each version of each deployment that is
// needed, a program on the node with processes of its own. It takes archives, has
// the deployment's object decide what an act means, each in one turn, and then does
// what follows: starts, weighs, stops. What it knows is in these objects and in the
// store of bundles; after a crash it begins with that. Doors call it; it answers no
// calls of users.
package fleet
