import { hostname } from 'node:os';
import { type Clock, newId } from '@ampora/runtime';
import type { EngineStore, EnrolmentStore, SelectorStore } from '@ampora/store';
import { LeaseKeeper } from '../leader/lease_keeper.js';
import type { EngineTelemetry } from '../telemetry/engine_telemetry.js';
import { EnrolmentKeeper, type EnrolmentRules } from './enrolment_keeper.js';
import { MembershipKeeper } from './membership_keeper.js';

export interface MembershipDeps {
	readonly store: SelectorStore & EnrolmentStore & Pick<EngineStore, 'takeLease' | 'releaseLease'>;
	readonly rules: EnrolmentRules;
	readonly clock: Clock;
	readonly telemetry: Pick<
		EngineTelemetry,
		'membership' | 'enrolment' | 'leaseChanged' | 'leaseRenewed' | 'leaseFailed'
	>;
}

/** A lease of its own: looking at a whole fleet holds up no rollout (D7). */
const membershipLeaseName = 'group-membership';

/** Keeps agents in the dynamic groups they belong to, and gives newcomers what their group runs; any number may run, one leads. */
export function createMembership(
	{ store, rules, clock, telemetry }: MembershipDeps,
	{ leaseTtlMs }: { leaseTtlMs: number },
) {
	const name = membershipLeaseName;
	const leases = new LeaseKeeper(
		{
			store,
			clock,
			onChange: (lease) => telemetry.leaseChanged(name, lease),
			onRenewed: () => telemetry.leaseRenewed(name, clock.nowMs() + leaseTtlMs),
			onError: telemetry.leaseFailed,
		},
		{ name, holder: `${hostname()}/${process.pid}/${newId()}`, ttlMs: leaseTtlMs },
	);
	const keeper = new MembershipKeeper({ store, leases, clock, events: telemetry.membership });
	const enrolments = new EnrolmentKeeper({ store, rules, leases, clock, events: telemetry.enrolment });
	return {
		start(): void {
			leases.start();
			keeper.start();
			enrolments.start();
		},
		/** Finishes what is under way and gives the lease back. */
		async stop(): Promise<void> {
			await Promise.all([keeper.stop(), enrolments.stop()]);
			await leases.stop();
		},
	};
}
