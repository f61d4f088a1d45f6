declare module 'taskhost:policy/about@0.1.0' {
  export function describe(): Description;
  export type ValueType = ValueTypeText | ValueTypeInteger | ValueTypeBoolean | ValueTypeDuration | ValueTypeChoice;
  export interface ValueTypeText {
    tag: 'text',
  }
  export interface ValueTypeInteger {
    tag: 'integer',
  }
  export interface ValueTypeBoolean {
    tag: 'boolean',
  }
  /**
   * Given as `30m`, `24h`, `7d`; read as milliseconds.
   */
  export interface ValueTypeDuration {
    tag: 'duration',
  }
  export interface ValueTypeChoice {
    tag: 'choice',
    val: Array<string>,
  }
  export interface Setting {
    name: string,
    valueType: ValueType,
    /**
     * As a user would write it; empty for none.
     */
    defaultValue: string,
    doc: string,
  }
  export interface Description {
    name: string,
    version: string,
    /**
     * One line.
     */
    summary: string,
    settings: Array<Setting>,
  }
}
