// Plain queries of the use cases, over drizzle. What gateways and the engine do under load is set-based SQL elsewhere.
import { agentsOn } from './agents.js';
import { auditOn } from './audit.js';
import { commandsOn } from './commands.js';
import { configurationsOn } from './configurations.js';
import type { Drizzle } from './drizzle.js';
import { groupsOn } from './groups.js';
import { rolloutsOn } from './rollouts.js';
import { tokensOn } from './tokens.js';

const repositoriesOn = (db: Drizzle) => ({
	configurations: configurationsOn(db),
	groups: groupsOn(db),
	agents: agentsOn(db),
	rollouts: rolloutsOn(db),
	commands: commandsOn(db),
	tokens: tokensOn(db),
	audit: auditOn(db),
});
export type Repositories = ReturnType<typeof repositoriesOn>;

/** Reads outside a transaction, and units of work: all writes of `work` are committed together, or none when it throws. */
export interface ControlStore extends Repositories {
	transaction<T>(work: (repositories: Repositories) => Promise<T>): Promise<T>;
}

export const createControlStore = (db: Drizzle): ControlStore => ({
	...repositoriesOn(db),
	transaction: (work) => db.transaction((transaction) => work(repositoriesOn(transaction))),
});

export type { AgentFilter, AgentOrder, AgentRow } from './agents.js';
export type { AuditFilter, AuditRow, NewAuditRow } from './audit.js';
export type { CommandRow, NewCommand } from './commands.js';
export { activeStates, type ConfigurationRow, type VersionRow } from './configurations.js';
export { type Cursor, type Drizzle, foreignKeyViolation, type Page, uniqueViolation } from './drizzle.js';
export type { GroupRow } from './groups.js';
export type { EventRow, NewRollout, RolloutFilter, RolloutRow, TargetRow } from './rollouts.js';
export type { ApiTokenRow, EnrollmentTokenRow } from './tokens.js';
