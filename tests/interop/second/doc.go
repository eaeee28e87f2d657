// A second implementation of Meldeweg's formats, written from docs/spec/message.md and
// docs/spec/audit-log.md alone and with Go's standard library alone: no line, no dependency and no
// programming language is shared with the first. It reads and judges; it writes nothing.
//
// One JSON question per line on standard input, one answer per line on standard output. What is
// refused is refused with a reason code of docs/refusals.md and with the step of § 9 (messages) or
// § 10 (log) that refuses it. The names of its files are those of the pages' sections:
//
//	forms.go      message § 1      json.go       message § 1      keys.go      message § 2
//	jws.go        message § 3      objects.go    message § 5, 8, 10 to 13
//	envelope.go   message § 7      trust.go      message § 11 to 13
//	agreement.go  message § 12     policy.go     message § 12    deadlines.go  message § 12
//	record.go     message § 4, 9, 10 (steps 1 to 6)             sealed.go     message § 6, 8 (7, 8)
//	coverage.go   message § 9 (9)  content.go    message § 6, 9 (10)
//	schema.go     the JSON Schemas of schemas/
//	leaf.go       audit § 1 to 4   note.go       audit § 5 to 7   export.go    audit § 9, 10
//	turn.go       audit § 10 (7, 9)          texts.go      message § 15
package main
