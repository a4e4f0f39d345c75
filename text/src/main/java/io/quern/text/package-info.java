/**
 * Tokenizers that read {@code tokenizer.json} files of the Hugging Face tokenizers library and give
 * the same ids and offsets as that library, and embeddings of texts by models that read those ids.
 */
@NullMarked
package io.quern.text;

import org.jspecify.annotations.NullMarked;
