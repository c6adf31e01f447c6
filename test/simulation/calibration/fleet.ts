// The agents of a calibration world: they come and go, some were sick before, some are slow, some reject whatever they are given;
// in a bad world the new version harms them as well. All of it is chance from one seed, and nothing else.
import { applies, fails, newVersion, type RolloutWorld, type WorldAgent } from '@ampora/rollout/testing';
import type { Random } from '@ampora/runtime';

const secondMs = 1_000;
const minuteMs = 60 * secondMs;

/** What the new version does to an agent, besides what any version does. */
export const harms = {
	none: { share: 0, says: 'nothing: the version is good' },
	reject: { share: 50, says: 'half reject it' },
	'unhealthy-soon': { share: 30, says: '30 % become unhealthy after 3 minutes' },
	'session-lost': { share: 100, says: 'all lose the session' },
	'unhealthy-late': { share: 15, says: '15 % become unhealthy only after 12 minutes' },
} as const satisfies Readonly<Record<string, { readonly share: number; readonly says: string }>>;
export type Harm = keyof typeof harms;

const upMs = 30 * minuteMs;
const downMs = minuteMs;
const sickPercent = 3;
const slowPercent = 1;
const rejectPerMille = 5;
/** A slow agent answers after a minute to ten: some of them outlast the apply timeout. */
const slowMs = { least: minuteMs, most: 10 * minuteMs };
const sickensAfterMs: Partial<Record<Harm, number>> = {
	'unhealthy-soon': 3 * minuteMs,
	'unhealthy-late': 12 * minuteMs,
};

interface SimulatedAgent {
	readonly agent: WorldAgent;
	readonly harmed: boolean;
	flipsAtMs: number;
	/** When it answers what it was offered; null: it has. */
	answersAtMs: number | null;
	sickensAtMs: number | null;
	/** The version took its session away: it does not come back. */
	gone: boolean;
}

export class CalibrationFleet {
	readonly #agents: SimulatedAgent[] = [];
	/** When agents that the rollout had not pushed lost their sessions. */
	#controlLosses: number[] = [];

	constructor(
		private readonly world: RolloutWorld,
		private readonly random: Random,
		private readonly harm: Harm,
	) {}

	add(count: number): void {
		for (let index = 0; index < count; index += 1) this.#agents.push(this.#newAgent());
	}

	/** What happens to the agents up to the world's present. */
	advance(): void {
		for (const simulated of this.#agents) this.#advance(simulated);
		this.#tellControl();
	}

	#newAgent(): SimulatedAgent {
		const { world, random } = this;
		const isDown = random.next() < downMs / (upMs + downMs);
		const agent = world.addAgent({
			session: isDown ? 'lost' : 'live',
			healthy: !this.#chance(sickPercent * 10),
		});
		const rejects = this.#chance(rejectPerMille);
		const delayMs = this.#chance(slowPercent * 10) ? this.#between(slowMs.least, slowMs.most) : null;
		const harmed = this.#chance(harms[this.harm].share * 10);
		const simulated: SimulatedAgent = {
			...{ agent, harmed, gone: false, answersAtMs: null, sickensAtMs: null },
			flipsAtMs: world.nowMs + this.#lasts(isDown),
		};
		agent.behaviour = () => {
			if (agent.assignment?.versionId !== newVersion) this.#recover(simulated);
			else if (rejects || (harmed && this.harm === 'reject')) fails(agent, world);
			else if (delayMs !== null) simulated.answersAtMs = world.nowMs + delayMs;
			else this.#apply(simulated);
		};
		return simulated;
	}

	#apply(simulated: SimulatedAgent): void {
		const { agent, harmed } = simulated;
		simulated.answersAtMs = null;
		if (agent.assignment?.versionId !== newVersion) return;
		if (harmed && this.harm === 'session-lost') {
			simulated.gone = true;
			agent.session = 'lost';
			return;
		}
		applies(agent, this.world);
		const afterMs = sickensAfterMs[this.harm];
		if (harmed && afterMs !== undefined) simulated.sickensAtMs = this.world.nowMs + afterMs;
	}

	/** It has its former version again. */
	#recover(simulated: SimulatedAgent): void {
		applies(simulated.agent, this.world);
		simulated.sickensAtMs = null;
	}

	#advance(simulated: SimulatedAgent): void {
		const { agent } = simulated;
		const { nowMs } = this.world;
		if (!simulated.gone && simulated.flipsAtMs <= nowMs) this.#flip(simulated);
		if (agent.session !== 'live') return;
		if (simulated.answersAtMs !== null && simulated.answersAtMs <= nowMs) this.#apply(simulated);
		if (simulated.sickensAtMs !== null && simulated.sickensAtMs <= nowMs) {
			simulated.sickensAtMs = null;
			this.world.setHealth(agent, false);
		}
	}

	#flip(simulated: SimulatedAgent): void {
		const { agent } = simulated;
		const goesDown = agent.session === 'live';
		agent.session = goesDown ? 'lost' : 'live';
		simulated.flipsAtMs = this.world.nowMs + this.#lasts(goesDown);
		if (goesDown && !this.#isPushed(agent)) this.#controlLosses.push(this.world.nowMs);
	}

	#isPushed = ({ agentId }: WorldAgent): boolean => (this.world.targets.get(agentId)?.seq ?? null) !== null;

	/** What the engine would count of agents it has not pushed: those lost in the last minute, among those that were connected. */
	#tellControl(): void {
		this.#controlLosses = this.#controlLosses.filter((atMs) => atMs > this.world.nowMs - minuteMs);
		const controlLost = this.#controlLosses.length;
		const connected = this.#agents.filter(({ agent }) => agent.session === 'live' && !this.#isPushed(agent)).length;
		this.world.environment = { ...this.world.environment, controlLost, controlConnected: connected + controlLost };
	}

	#chance = (perMille: number): boolean => this.random.next() * 1_000 < perMille;
	#between = (least: number, most: number): number => least + Math.floor(this.random.next() * (most - least));
	/** Exponential: how long it stays as it is now. */
	#lasts = (down: boolean): number => Math.ceil(-Math.log(1 - this.random.next()) * (down ? downMs : upMs));
}
