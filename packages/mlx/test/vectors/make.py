"""Makes quantized.safetensors and quantized.json: python3 make.py FOLDER (mlx[cpu] 0.32.4)."""
import sys, json, hashlib
import numpy as np, mlx.core as mx
mx.set_default_device(mx.cpu)
out = sys.argv[1]
rng=np.random.default_rng(15)
N,K=20,128
w=(rng.standard_normal((N,K))*0.05).astype(np.float32)
w[0,:]=0; w[1,:]=np.float32(0.3125); w[2,:]=-np.float32(0.3125)
w[3,:]=rng.standard_normal(K)*2.0**-40
w[4,:]=0; w[4,37]=3.5
w[5,:]=rng.standard_normal(K)*40
w[6,:]=-np.abs(w[6,:]); w[7,:]=np.abs(w[7,:])
w[8,:]=np.linspace(-1,1,K); w[9,:]=1+rng.standard_normal(K)*1e-4
w[10,:]=rng.standard_normal(K)*1e-7
w[11,:64]=0
w[12,:]=np.tile(np.array([-6,-5,-4,-3.5,-3,-2.5,-2,-1.75,-1.5,-1.25,-1,-.75,-.5,-.25,0,6]),8)
w[13,:]=np.round(rng.uniform(-6,6,K)*8)/8
w[14,:]=np.round(rng.uniform(-448,448,K))
w[15,::2]=-0.0
def quant(x, **kw):
    r=mx.quantize(x,**kw); mx.eval(*r); return r
arrays={}; cases=[]
dts={'F32':mx.float32,'BF16':mx.bfloat16,'F16':mx.float16}
for d,dt in dts.items():
    arrays[f'source.{d}']=mx.array(w).astype(dt)
plan=[('affine',b,g,d) for (b,g,d) in [(2,64,'BF16'),(2,32,'F32'),(3,64,'F16'),(4,64,'BF16'),(4,64,'F16'),(4,32,'F32'),(4,128,'BF16'),(5,64,'BF16'),(6,128,'F16'),(8,32,'BF16'),(8,64,'F32')]]
plan+=[('mxfp4',4,32,d) for d in dts]+[('mxfp8',8,32,d) for d in dts]+[('nvfp4',4,16,d) for d in dts]
for mode,b,g,d in plan:
    r=quant(arrays[f'source.{d}'],group_size=g,bits=b,mode=mode)
    name=f'{mode}_b{b}_g{g}_{d}'
    arrays[name+'.weight']=r[0]; arrays[name+'.scales']=r[1]
    if len(r)>2: arrays[name+'.biases']=r[2]
    cases.append(dict(name=name,mode=mode,bits=b,groupSize=g,source=d))
mx.save_safetensors(out+'/quantized.safetensors',arrays,metadata={'format':'mlx'})
json.dump(dict(rows=N,columns=K,cases=cases),open(out+'/quantized.json','w'),indent=1)
