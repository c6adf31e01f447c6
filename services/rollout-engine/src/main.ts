import { serviceMain } from '@ampora/runtime';
import { startEngine } from './compose.js';
import { settings } from './config.js';

await serviceMain({ name: 'rollout-engine', settings, start: startEngine });
