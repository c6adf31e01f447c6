import { AsyncLocalStorage } from 'node:async_hooks';
import type { Span } from './tracer.js';

/** The span whose `inSpan` we are inside of. Ours and not the API's global one: a process may hold several services, each with a tracer. */
export const activeSpan = new AsyncLocalStorage<Span>();
