/** What runs below tensors: native memory, the worker pool, settings. */
@NullMarked
package io.quern.runtime;

import org.jspecify.annotations.NullMarked;
