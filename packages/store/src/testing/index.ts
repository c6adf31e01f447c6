export { createMemoryStore, type MemoryOptions, type MemoryStore } from '../memory/memory_store.js';
export type {
	Faults,
	Flaws,
	MemoryAgent,
	MemoryAssignment,
	MemoryRollout,
	MemoryState,
	MemoryTarget,
} from '../memory/state.js';
export { memoryWorld } from './memory_world.js';
export { postgresWorld } from './postgres_world.js';
export type { StoreWorld, WorldAgent, WorldAssignment, WorldTarget } from './world.js';
