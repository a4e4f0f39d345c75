"""The lines of GpuBench in PyTorch."""
import time
import torch

print(torch.__version__, torch.cuda.get_device_name())
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True


def measure(name, function, figure, unit):
    for _ in range(3):
        function()
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    times = max(1, min(2000, int(0.1 / (time.perf_counter() - start))))
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(times):
            function()
        torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - start) / times)
    print(f"{name:<50} {best * 1e6:12.1f} us {figure / best:10.1f} {unit}")


def measure_after_rest(name, function, figure, unit):
    """One of ten runs before the GPU, grown warm, lowers its clock."""
    best = 1e9
    for _ in range(3):
        torch.cuda.synchronize()
        time.sleep(2)
        for _ in range(3):
            function()
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(10):
            function()
        torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - start) / 10)
    print(f"{name:<50} {best * 1e6:12.1f} us {figure / best:10.1f} {unit}")


small = torch.randn(1024, device="cuda")
measure("launch", lambda: torch.neg(small), 1e-6, "launches/us")
x = torch.rand(64 << 20, device="cuda")
y = torch.empty_like(x)
gb = x.numel() * 4e-9
measure("copy", lambda: torch.neg(x, out=y), 2 * gb, "GB/s")
measure("chain of 5", lambda: torch.relu(torch.tanh(x * 2 + 1) * x), 2 * gb, "GB/s")
measure("gelu", lambda: torch.nn.functional.gelu(x), 2 * gb, "GB/s")
rows = x.reshape(-1, 1024)
measure("sum", lambda: x.sum(), gb, "GB/s")
measure("sum of rows", lambda: rows.sum(1), gb, "GB/s")
measure("sum of columns", lambda: rows.sum(0), gb, "GB/s")
measure("add a row", lambda: torch.add(rows, x[:1024], out=y.reshape(-1, 1024)), 2 * gb, "GB/s")
functional = torch.nn.functional
measure("softmax", lambda: torch.softmax(rows, 1), 2 * gb, "GB/s")
torch.backends.cudnn.allow_tf32 = False


def train(batch):
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)).cuda()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    images = torch.rand(batch, 1, 28, 28, device="cuda")
    labels = torch.zeros(batch, dtype=torch.long, device="cuda")

    def step():
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    measure(f"train {batch}", step, batch, "images/s")


train(128)
train(1024)
measure("softmax of 64", lambda: torch.softmax(x.reshape(-1, 64), 1), 2 * gb, "GB/s")
measure("softmax of 4096", lambda: torch.softmax(x.reshape(-1, 4096), 1), 2 * gb, "GB/s")
words = x[: 1335 * 50257].reshape(-1, 50257)
measure("softmax of 50257", lambda: torch.softmax(words, 1), 2 * gb, "GB/s")
measure("log softmax", lambda: torch.log_softmax(rows, 1), 2 * gb, "GB/s")
halves = rows.chunk(2)
measure(
    "softmax grad",
    lambda: torch.ops.aten._softmax_backward_data(halves[0], halves[1], 1, torch.float32),
    1.5 * gb,
    "GB/s",
)
for n in (768, 4096):
    whole = x[: x.numel() // n * n].reshape(-1, n)
    gamma = torch.rand(n, device="cuda")
    measure(
        f"layer norm of {n}",
        lambda: functional.layer_norm(whole, (n,), gamma, gamma),
        2 * gb,
        "GB/s",
    )
    measure(f"rms norm of {n}", lambda: functional.rms_norm(whole, (n,), gamma), 2 * gb, "GB/s")
channels = torch.rand(64, device="cuda")
images = x.reshape(-1, 64, 32, 32)
measure("group norm", lambda: functional.group_norm(images, 32, channels, channels), 2 * gb, "GB/s")
gamma = torch.rand(1024, device="cuda")
_, mean, scale = torch.ops.aten.native_layer_norm(halves[0], (1024,), gamma, gamma, 1e-5)
measure(
    "layer norm grad",
    lambda: torch.ops.aten.native_layer_norm_backward(
        halves[1], halves[0], (1024,), mean, scale, gamma, gamma, (True, True, True)
    ),
    1.5 * gb,
    "GB/s",
)
measure("argmax of rows", lambda: rows.argmax(1), gb, "GB/s")
measure("argmax of columns", lambda: rows.argmax(0), gb, "GB/s")
narrow = x.bfloat16()
other = narrow.flip(0)
out = torch.empty_like(narrow)
weights = torch.rand(1024, device="cuda").bfloat16()
narrow_rows = narrow.reshape(-1, 1024)
gb16 = gb / 2
measure("copy BF16", lambda: torch.neg(narrow, out=out), 2 * gb16, "GB/s")
measure("add BF16", lambda: torch.add(narrow, other, out=out), 3 * gb16, "GB/s")
measure("add a row BF16", lambda: narrow_rows + weights, 2 * gb16, "GB/s")
measure("gelu BF16", lambda: functional.gelu(narrow), 2 * gb16, "GB/s")
measure("cast F32 from BF16", lambda: narrow.float(), 3 * gb16, "GB/s")
measure("softmax BF16", lambda: torch.softmax(narrow_rows, 1), 2 * gb16, "GB/s")
measure(
    "layer norm BF16",
    lambda: functional.layer_norm(narrow_rows, (1024,), weights, weights),
    2 * gb16,
    "GB/s",
)
measure(
    "rms norm BF16", lambda: functional.rms_norm(narrow_rows, (1024,), weights), 2 * gb16, "GB/s"
)
del narrow, other, out, narrow_rows
parameter = torch.nn.Parameter(torch.rand(x.numel() // 4, device="cuda"))
parameter.grad = torch.rand_like(parameter)
sgd = torch.optim.SGD([parameter], 1e-6, momentum=0.9, fused=True)
measure("sgd", sgd.step, 1.25 * gb, "GB/s")
adam = torch.optim.AdamW([parameter], 1e-6, fused=True)
measure("adam", adam.step, 1.75 * gb, "GB/s")
measure("random_uniform", lambda: y.uniform_(), gb, "GB/s")
measure("random_normal", lambda: y.normal_(), gb, "GB/s")
index = torch.randperm(rows.shape[0], device="cuda")
measure("gather rows", lambda: rows[index], 2 * gb, "GB/s")
measure("gather rows, gradient", lambda: torch.ops.aten.embedding_dense_backward(rows, index, rows.shape[0], -1, False), 2 * gb, "GB/s")
measure("concat", lambda: torch.cat((rows, rows), 1), 4 * gb, "GB/s")
measure("pad", lambda: torch.nn.functional.pad(rows, (1, 1, 1, 1)), 2 * gb, "GB/s")
measure("cumsum of rows", lambda: rows.cumsum(1), 2 * gb, "GB/s")
measure("cumsum of columns", lambda: x.reshape(-1, 8192).cumsum(0), 2 * gb, "GB/s")
measure("cumsum of all", lambda: x.cumsum(0), 2 * gb, "GB/s")
measure("sort rows", lambda: rows.sort(1), 2 * gb, "GB/s")
measure("top 50", lambda: x.reshape(-1, 1 << 16).topk(50), gb, "GB/s")
for dtype, batch, heads, length, size, causal in (
    (torch.float32, 2, 12, 512, 64, False),
    (torch.float32, 4, 16, 2048, 64, True),
    (torch.float32, 4, 16, 2048, 128, False),
    (torch.bfloat16, 4, 32, 4096, 64, False),
    (torch.bfloat16, 32, 16, 512, 128, False),
    (torch.bfloat16, 4, 16, 4096, 128, False),
    (torch.bfloat16, 1, 16, 16384, 128, False),
    (torch.bfloat16, 32, 16, 512, 128, True),
    (torch.bfloat16, 4, 16, 4096, 128, True),
    (torch.bfloat16, 1, 16, 16384, 128, True),
):
    q = torch.randn(batch, heads, length, size, device="cuda", dtype=dtype, requires_grad=True)
    tflop = 4e-12 * batch * heads * length**2 * size / (2 if causal else 1)
    attend = lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=causal)
    name = f"{[batch, heads, length, size]}{' BF16' if dtype == torch.bfloat16 else ''}{' causal' if causal else ''}"
    with torch.no_grad():
        measure(f"attention {name}", attend, tflop, "TFLOP/s")
    out = attend()
    measure(f"attention gradient {name}",
            lambda: torch.autograd.grad(out, q, q, retain_graph=True), 2.5 * tflop, "TFLOP/s")
for n in (256, 512, 1024, 2048, 4096, 8192):
    a = torch.randn(n, n, device="cuda")
    measure(f"matmul F32 {n}", lambda: a @ a, 2e-12 * n**3, "TFLOP/s")
measure_after_rest("matmul F32 8192, ten after a rest", lambda: a @ a, 2e-12 * n**3, "TFLOP/s")
for n in (1024, 2048, 4096, 8192):
    a = torch.randn(n, n, device="cuda").bfloat16()
    measure(f"matmul BF16 {n}", lambda: a @ a, 2e-12 * n**3, "TFLOP/s")
measure_after_rest("matmul BF16 8192, ten after a rest", lambda: a @ a, 2e-12 * n**3, "TFLOP/s")
weight = torch.randn(1024, 1024, device="cuda")
bias = torch.randn(1024, device="cuda")
measure(
    "linear 1024 with bias and relu",
    lambda: torch.relu(torch.addmm(bias, weight, weight)),
    2e-12 * 1024**3,
    "TFLOP/s",
)
a = torch.randint(-128, 128, (4096, 4096), dtype=torch.int8, device="cuda")
measure("matmul I8 4096", lambda: torch._int_mm(a, a), 2e-12 * 4096**3, "TFLOP/s")
grads = torch.ops.aten.convolution_backward
for batch, channels, size, filters, kernel, stride, groups in (
    (256, 1, 28, 32, 3, 1, 1),
    (256, 32, 14, 64, 3, 1, 1),
    (32, 3, 224, 64, 7, 2, 1),
    (32, 64, 56, 64, 1, 1, 1),
    (32, 64, 56, 64, 3, 1, 1),
    (32, 64, 56, 256, 1, 1, 1),
    (32, 128, 56, 128, 3, 2, 1),
    (32, 128, 28, 128, 3, 1, 1),
    (32, 256, 14, 256, 3, 1, 1),
    (32, 1024, 14, 256, 1, 1, 1),
    (32, 512, 7, 512, 3, 1, 1),
    (32, 512, 7, 2048, 1, 1, 1),
    (32, 384, 14, 384, 3, 1, 384),
):
    name = f"conv {kernel}x{kernel} s{stride}, {batch}x{channels}x{size} -> {filters}"
    images = torch.randn(batch, channels, size, size, device="cuda")
    weight = torch.randn(filters, channels // groups, kernel, kernel, device="cuda")
    step = [stride, stride], [kernel // 2, kernel // 2], [1, 1]
    out = torch.conv2d(images, weight, None, *step, groups)
    tflop = 2e-12 * out.numel() * weight[0].numel()
    more = None, *step, False, [0, 0], groups
    measure(name, lambda: torch.conv2d(images, weight, None, *step, groups), tflop, "TFLOP/s")
    for grad, mask in ("input grad", [True, False, False]), ("weight grad", [False, True, False]):
        measure(f"{name} {grad}", lambda: grads(out, images, weight, *more, mask), tflop, "TFLOP/s")
for name, shape, kernel, pad in (
    ("pool 2x2, 256x32x28x28", (256, 32, 28, 28), 2, 0),
    ("pool 3x3 s2, 32x64x112x112", (32, 64, 112, 112), 3, 1),
):
    images = torch.randn(shape, device="cuda", requires_grad=True)
    for fn in torch.nn.functional.max_pool2d, torch.nn.functional.avg_pool2d:
        out = fn(images, kernel, 2, pad)
        gb = 4e-9 * (images.numel() + out.numel())
        measure(f"{name} pool2d_{fn.__name__[:3]}", lambda: fn(images, kernel, 2, pad), gb, "GB/s")
        measure(
            f"{name} pool2d_{fn.__name__[:3]} grad",
            lambda: torch.autograd.grad(out, images, out, retain_graph=True), gb, "GB/s")
