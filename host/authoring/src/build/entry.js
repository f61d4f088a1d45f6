// The module that is loaded: the author's hooks, each guarded. The lines that name them are put behind these.

import { built } from "./.prelude.js";
import { guarded, refuse } from "./.telling.js";
import * as policy from "./policy.js";

// The modules above have been evaluated by now, in their order.
built();
