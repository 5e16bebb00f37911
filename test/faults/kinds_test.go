// SPDX-License-Identifier: Apache-2.0

package faults

// kinds are all kinds of fault.
var kinds []*kind

func init() { //nolint:gochecknoinits // the kinds' own functions look a kind up by its word
	kinds = []*kind{
		{word: "nothing", parse: parseNothing, of: everyNothing, short: 1000, all: 1000},
		{word: "at-once", parse: nil, of: everyAtOnce, short: 6, all: 1000},
		{word: "restart", parse: parseRestart, of: everyRestart, short: 6, all: 1000},
		{word: "crash", parse: parseCrash, of: everyCrash, short: 8, all: 10000},
		{word: "answer-all", parse: parseAnswer, of: everyAnswer, short: 6, all: 10000},
		{word: "answer", parse: parseAnswer, of: oneAnswer, short: 6, all: 500},
		{word: "fail", parse: parseFailing, of: everyFailing, short: 4, all: 150},
		{word: "managers", parse: parseMore, of: everyMore, short: 4, all: 10000},
		{word: "watch", parse: parseWatch, of: everyWatch, short: 4, all: 250},
		{word: "behind", parse: parseBehind, of: everyBehind, short: 4, all: 200},
		{word: "somebody", parse: parseEdit, of: everyEdit, short: 4, all: 300},
		{word: "server", parse: parseHarm, of: everyKilled, short: 0, all: 60, alone: true},
		{word: "etcd", parse: parseHarm, of: everyFrozen, short: 0, all: 40, alone: true},
		{word: "without", parse: parseWithout, of: everyWithout, short: 0, all: 250, alone: true, together: inGroups},
		{word: "chain", parse: parseChain, of: everyChain, short: 1, all: 36, per: kindOfUsers},
		{word: "clock", parse: parseClock, of: everyClock, short: 4, all: 10000},
	}
}

func everyAtOnce(o *outcome) []fault {
	if o.scenario.scratch == nil {
		return nil
	}
	return []fault{atOnce{o.scenario.scratch}}
}
