import { serviceMain } from '@ampora/runtime';
import { startGateway } from './compose.js';
import { settings } from './config.js';

await serviceMain({ name: 'gateway', settings, start: startGateway });
