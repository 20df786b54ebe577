// Package durable has the rules of one durable execution as the AWS Lambda
// durable execution API (2025-12-01) has them: a table of operations, the
// updates that a checkpoint brings, checkpoint tokens that are good once, and
// what is to be done next. It is given the time and says what should happen; it
// reads no clock, starts nothing and stores nothing. Package execution makes a
// durable object of it.
package durable
