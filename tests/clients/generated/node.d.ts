// The one thing of Node that call.ts uses.
declare const process: { argv: string[] };
