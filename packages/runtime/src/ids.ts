import { v7 } from 'uuid';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Internal key of an agent, a UUID. Never the OpAMP instance_uid, which may change. */
export type AgentId = Branded<'AgentId'>;
/** A gateway's configured name; shown as `target_instance` in metrics. */
export type GatewayId = Branded<'GatewayId'>;
export type GroupId = Branded<'GroupId'>;
export type ConfigurationId = Branded<'ConfigurationId'>;
/** One immutable version of a configuration. */
export type VersionId = Branded<'VersionId'>;
export type RolloutId = Branded<'RolloutId'>;

/** A fresh UUIDv7: unique, and ordered by time of creation, so that indexes stay compact. */
export const newId = <Id extends string>(): Id => v7() as Id;
