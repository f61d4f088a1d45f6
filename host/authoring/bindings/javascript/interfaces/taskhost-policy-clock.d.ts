/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/clock@0.1.0' {
  export function now(): Millis;
  export type Millis = import('taskhost:policy/types@0.1.0').Millis;
}
