package io.quern.cli.readme;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.loader.Batches;
import io.quern.loader.Dataset;
import io.quern.loader.Idx;
import io.quern.nn.Flatten;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.ModelFile;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.TensorSpec;
import io.quern.optim.Adam;
import io.quern.train.Accuracy;
import io.quern.train.TrainListener;
import io.quern.train.Trainer;
import java.nio.file.Path;

final class Train {
  private Train() {}

  static void run(Path data, Path file) {
    // README: train
    Batches batches =
        Dataset.of(
                Idx.read(data.resolve("train-images-idx3-ubyte.gz")),
                Idx.read(data.resolve("train-labels-idx1-ubyte.gz")))
            .shuffle(42)
            .batch(128)
            .mapInput(pixels -> pixels.to(DType.F32).mul(1 / 255.0))
            .mapTarget(labels -> labels.to(DType.I64));
    Rng rng = Rng.of(42);
    Module model =
        Sequential.of(Flatten.of(), Linear.of(784, 128, rng), new Relu(), Linear.of(128, 10, rng));
    Trainer.builder(model, Adam.of(model.parameters(), 1e-3), Losses::crossEntropy)
        .epochs(3)
        .metrics(new Accuracy())
        .listener(TrainListener.console())
        .build()
        .fit(batches::epoch);
    ModelFile.save(model, file, new TensorSpec(DType.F32, Shape.of(28, 28)));
    // README: end
  }
}
