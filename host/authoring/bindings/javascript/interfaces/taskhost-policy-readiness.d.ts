/// <reference path="./taskhost-policy-board.d.ts" />
/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/readiness@0.1.0' {
  export function classify(view: View, task: Task): Answer;
  export type TaskId = import('taskhost:policy/types@0.1.0').TaskId;
  export type Millis = import('taskhost:policy/types@0.1.0').Millis;
  export type View = import('taskhost:policy/board@0.1.0').View;
  export type Task = import('taskhost:policy/board@0.1.0').Task;
  export interface Wait {
    /**
     * Asked again when any of these ends, or is taken back from its end. At least one, at most 64.
     */
    on: Array<TaskId>,
    /**
     * Shown by `explain`; where absent, the statuses of `on` speak for themselves.
     */
    why?: string,
  }
  export type Answer = AnswerStandard | AnswerReady | AnswerWaiting | AnswerUntil | AnswerNever | AnswerCancel;
  /**
   * What the standard policy says.
   */
  export interface AnswerStandard {
    tag: 'standard',
  }
  /**
   * It may be claimed. Lower ranks are offered first.
   */
  export interface AnswerReady {
    tag: 'ready',
    val: number,
  }
  export interface AnswerWaiting {
    tag: 'waiting',
    val: Wait,
  }
  /**
   * Asked again at this time.
   */
  export interface AnswerUntil {
    tag: 'until',
    val: Millis,
  }
  /**
   * Not until somebody updates it.
   */
  export interface AnswerNever {
    tag: 'never',
    val: string,
  }
  /**
   * Cancel it, with this reason.
   */
  export interface AnswerCancel {
    tag: 'cancel',
    val: string,
  }
}
