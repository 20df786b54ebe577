// Package door is the part of the HTTP API of AWS Lambda that durable executions
// need: Invoke (2015-03-31) and the durable executions API (2025-12-01). It
// translates; executions are objects of package execution.
//
// It has a listener of its own, with net/http. Paths of this API carry ARNs, with
// escaped colons and slashes, and are spelled with and without a slash at the
// end; what they mean differs from /v1, and so do errors and signatures. None of
// that should cost the platform's own door anything.
package door
