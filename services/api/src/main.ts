import { serviceMain } from '@ampora/runtime';
import { startApi } from './compose.js';
import { settings } from './config.js';

await serviceMain({ name: 'api', settings, start: startApi });
