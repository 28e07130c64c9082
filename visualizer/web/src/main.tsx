// The console begins here.
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/widgets.css';
import './styles/execution.css';
import { render } from 'preact';
import { App } from './app';
import { startKeys } from './keys';
import { startLive } from './live/client';
import { startTheme } from './preferences';
import { startRouter } from './router';
import { startSession } from './session';
import { startClock } from './time';

startRouter();
startTheme();
startClock();
startKeys();
await startSession();
startLive();
const root = document.getElementById('app');
if (root) render(<App />, root);
