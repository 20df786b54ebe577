// Package bundle is what is deployed: files and a manifest, in an archive on its
// way and in a directory of its own at rest, named by its content.
//
// It packs reproducibly, and unpacks what may have been made by an enemy: an
// archive is stored whole or leaves nothing. It never runs anything and knows
// nothing of versions or names that point to them.
package bundle
