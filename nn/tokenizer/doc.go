// Package tokenizer reads Hugging Face's tokenizer.json and turns texts to the ids of
// a model's vocabulary, and ids to texts, as Python's tokenizers do: WordPiece, BPE,
// Unigram and WordLevel models, with the normalizers, pre-tokenizers, post-processors
// and decoders that the model families use.
//
// What a file asks for and this package does not have is refused by the name of its
// field, when it is read: a tokenizer that loads gives the ids that its model was
// trained with. Text of any kind takes time in proportion to its length (BPE of a
// single word, n·log n): patterns are compiled to automata, of which none turns back.
package tokenizer
