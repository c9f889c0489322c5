// The host's `budget`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as budget } from "jackfield:plugin/budget@1.0.0";
