// The module that is loaded: the author's, behind the prelude.

import { built } from "./.prelude.js";
export * from "./policy.js";

// The modules above have been evaluated by now, in their order.
built();
