export { type Api, type ApiDeps, type ApiOptions, createApi } from './api.js';
