/**
 * In-process serving with micro-batching: {@link io.quern.serve.ModelHandle} answers many threads
 * with one model.
 */
@NullMarked
package io.quern.serve;

import org.jspecify.annotations.NullMarked;
