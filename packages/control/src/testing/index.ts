export { createMemoryMetrics, type MemoryMetrics } from './memory_metrics.js';
