import { createInterface } from 'node:readline';
import type { AgentState, FleetCalls, FleetLine, FleetOp, FleetRequest } from './calls.js';
import { FleetExporter } from './exporter.js';
import { Fleet, type Selection } from './fleet.js';
import { behaviourOf } from './outcome.js';

/** Counters are pushed when they changed, at most this often. */
const statsEveryMs = 25;

const write = (line: FleetLine): void => {
	process.stdout.write(`${JSON.stringify(line)}\n`);
};

let opened: Fleet | undefined;
let exporter: FleetExporter | undefined;

function fleet(): Fleet {
	if (!opened) throw new Error('open the fleet first');
	return opened;
}

function pushStats(of: Fleet): void {
	let waiting = false;
	of.ledger.onChange(() => {
		if (waiting) return;
		waiting = true;
		setTimeout(() => {
			waiting = false;
			write({ stats: of.stats });
		}, statsEveryMs);
	});
}

type Handlers = {
	[Op in FleetOp]: (input: FleetCalls[Op]['input']) => FleetCalls[Op]['output'] | Promise<FleetCalls[Op]['output']>;
};

const handlers: Handlers = {
	open(options) {
		if (opened) throw new Error('the fleet is open already');
		opened = new Fleet(options);
		pushStats(opened);
		return null;
	},
	add(cohort) {
		const from = fleet().agents.length;
		return { from, to: from + fleet().add(cohort).length };
	},
	launch: ({ perSecond }) => nothing(fleet().launch(perSecond ?? Number.POSITIVE_INFINITY)),
	rules(rules) {
		fleet().behaviour = behaviourOf(rules);
		return null;
	},
	async telemetry(rules) {
		exporter ??= await FleetExporter.start(fleet().agents, fleet().clock);
		exporter.rules = rules;
		return { url: exporter.url };
	},
	wake: (selection) => nothing(fleet().wake(selection)),
	sleep: (selection) => nothing(fleet().sleep(selection)),
	kill: ({ select, backAfterMs }) => nothing(fleet().kill(select, backAfterMs ?? undefined)),
	restart: ({ select, backAfterMs, newUids }) => nothing(fleet().restart(select, backAfterMs, newUids)),
	stats: () => fleet().stats,
	offers: ({ from }) => fleet().ledger.offers.slice(from),
	configs: () =>
		fleet()
			.configs.all()
			.map(({ hash, text }) => ({ hash, text })),
	agents: states,
	usage() {
		const { user, system } = process.cpuUsage();
		return { rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1000 };
	},
	events() {
		fleet().ledger.onEvent((event) => write({ event }));
		return null;
	},
	stop: (how) => nothing(fleet().stop(how)),
};

async function nothing(done: void | Promise<void>): Promise<null> {
	await done;
	return null;
}

function states(selection: Selection): AgentState[] {
	const chosen = new Set(selection === 'all' || 'from' in selection ? [] : selection);
	const isChosen = (index: number): boolean => {
		if (selection === 'all') return true;
		return 'from' in selection ? index >= selection.from && index < selection.to : chosen.has(index);
	};
	return fleet()
		.agents.filter(({ index }) => isChosen(index))
		.map((agent) => ({
			index: agent.index,
			instanceUid: agent.instanceUid,
			connected: agent.accepted,
			healthy: agent.healthy,
			running: agent.running?.hash ?? null,
			framesReceived: agent.framesReceived,
			bytesReceived: agent.bytesReceived,
		}));
}

async function serve(line: string): Promise<void> {
	const { id, op, input } = JSON.parse(line) as FleetRequest;
	try {
		const handler = handlers[op] as (input: unknown) => unknown;
		write({ id, value: await handler(input) });
	} catch (error) {
		write({ id, error: error instanceof Error ? error.message : String(error) });
	}
}

// When whoever started the fleet is gone, so is the fleet.
createInterface({ input: process.stdin })
	.on('line', (line) => void serve(line))
	.on('close', () => process.exit(0));
