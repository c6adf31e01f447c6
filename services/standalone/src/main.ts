import { serviceMain } from '@ampora/runtime';
import { startStandalone } from './compose.js';
import { settings } from './config.js';

await serviceMain({ name: 'ampora', settings, start: startStandalone });
